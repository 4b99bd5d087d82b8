"""argv -> call -> print. The only importer of Typer."""

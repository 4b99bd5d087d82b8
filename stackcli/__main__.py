"""`python -m stackcli` is `stackattn`."""

from stackcli.cli import main

if __name__ == "__main__":
    main()

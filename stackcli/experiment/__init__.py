"""Many runs: identity, the store, studies, workers, search, remedy trials, reports."""

"""Override text -> frozen, typed settings. The only importer of Hydra and OmegaConf."""

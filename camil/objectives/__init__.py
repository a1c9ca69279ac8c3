"""Losses beside the paper's, a file a thought; `camil.losses` lists them all."""

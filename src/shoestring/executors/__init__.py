"""Where jobs run: one file per neighbor. Adapters translate; they do not decide."""

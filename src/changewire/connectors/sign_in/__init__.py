"""Who asks: credentials of every kind, how they are got, kept and renewed."""

"""How fast the engine is, told as ratios to plain programs that ran on the same machine a moment earlier."""

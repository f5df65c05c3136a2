"""What the model must beat; each file is one baseline."""

"""Functions of arrays, which also take the symbolic tensors of functional models."""

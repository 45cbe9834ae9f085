"""Every layer, loss, metric and optimizer once, as data: the property tests run over it."""

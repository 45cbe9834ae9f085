"""The stages that data sets (`keras.utils.Dataset`) are made of."""

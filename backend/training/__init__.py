"""How the shipped draft weights were made: scenes, loss, training, evaluation."""

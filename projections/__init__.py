"""What follows from the log: pure folds, and the runner that feeds them."""

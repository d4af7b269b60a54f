"""What is learned from the training split before the network: vocabulary and scale. Saved with the run as JSON."""

"""From the training part to contrastive pairs: vocabulary, histories, pairs with their log q."""

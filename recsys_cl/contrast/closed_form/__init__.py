"""The closed form of the spectral contrastive loss: singular vectors of a sparse matrix that need not fit in memory."""

"""Rules: each says of which rows it can say something, and what is wrong with which quarters of them."""

"""The line between Python and Java, as far as the driver of a cluster has a hold of it. It brings no types."""

"""A page to try the weights on photographs of one's own, in a browser; needs the optional extra ``serve``."""

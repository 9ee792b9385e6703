"""What every part agrees on: the records handed over, errors a user can repair, the basicsr shim."""

"""From a sharp photograph to a realistic low-resolution one: blur, reduction, light, noise, JPEG, on the batch.

Kernels follow one geometry: integer offsets from the centre tap, X to the right, Y downwards; angles in
degrees, counter-clockwise on the screen (the direction of angle t is (cos t, -sin t) in (X, Y)).
"""

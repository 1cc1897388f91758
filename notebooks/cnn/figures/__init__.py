"""The concept figures of the course, drawn from real digits and real layers.

A module for each lesson that has figures (`from cnn.figures import convolution as figures`), which
a notebook calls in the cell where a thing is taught. They share `parts`, what drawings are made of,
and `samples`, what they show. `cards` draws the pictures of the whole course, and
`python -m cnn.figures FOLDER` writes everything, as SVG and as animated PNG. Blue is what goes in,
orange is the kernel, green is what comes out; every colour is also named by a label.
"""

"""The tissue scale: cells on a lattice, fields, vessels and matrix, moved by the rate laws of `biology`.

Takes a `Scenario` (`tumornexus.tissue.scenario`); gives frames, plain arrays of what stands where on a day. May import
biology, systemic, knowledge and the shared words, never io or profile. Importing this package loads no JAX: reading and
refusing a scenario takes no simulator.
"""

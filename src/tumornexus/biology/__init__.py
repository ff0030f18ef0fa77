"""Biology: how the host-tumor nexus works, as pure rate laws that serve both scales.

Takes the local environment (cell densities as fractions of sites, slow states, concentrations; see
`environment.Local`) and the model parameters (`params.Params`); gives rates per cell per day or quasi-steady
concentrations. Nothing here knows about compartments, lattices, patients or files. May import: ``units``, ``errors``,
``activities``, ``knowledge``. One file a process; every file has the same order: equation, function, source.
"""

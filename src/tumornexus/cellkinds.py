"""Kinds of cells on a lattice."""

KINDS = (
    "empty", "cancer", "persister", "infected", "cd8_progenitor", "cd8_effector", "cd8_terminal", "cd4_helper", "treg",
    "nk", "gamma_delta", "b_cell", "car_t", "dendritic", "neutrophil", "mdsc", "tam_m1", "tam_m2", "caf_matrix",
    "caf_cytokine", "dead_antigen",
)  # fmt: skip

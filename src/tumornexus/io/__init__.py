"""Patient and cohort files in, results out.

Takes folders of tables as laboratories and repositories hand them out; gives back `Patient` and `Cohort`, thin frozen
holders in one vocabulary (approved gene symbols, linear expression, classes of mutation, two-field HLA alleles,
species of the gut, typed clinical facts), and writes results whole or not at all. May import knowledge and the shared
words (errors), never a simulator.
"""

from tumornexus.io.cohort import Cohort, read_cohort, read_patient
from tumornexus.io.microbiome import Microbiome, read_microbiome
from tumornexus.io.patient import Patient
from tumornexus.io.single_cell import SingleCells, read_single_cells
from tumornexus.io.slide import Slide, read_slide, read_slides
from tumornexus.io.write import write_json, write_results, write_table, write_text

__all__ = [
    "Cohort",
    "Microbiome",
    "Patient",
    "SingleCells",
    "Slide",
    "read_cohort",
    "read_microbiome",
    "read_patient",
    "read_single_cells",
    "read_slide",
    "read_slides",
    "write_json",
    "write_results",
    "write_table",
    "write_text",
]

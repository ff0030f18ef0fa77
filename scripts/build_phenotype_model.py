"""Fit the broad model of the immune phenotype on the pathologists' labels of IMvigor210.

    python scripts/build_phenotype_model.py DATA_FOLDER [--out src/tumornexus/profile/data/phenotype_model.json]

Multinomial logistic regression with a ridge on standardized features (`tumornexus.profile.phenotype.broad_names`),
limited to three standard deviations. The ridge is chosen by five-fold log loss. What ships is coefficients only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from build_reference import multinomial

from tumornexus.activities import named_generator
from tumornexus.io import read_cohort
from tumornexus.io.write import write_json
from tumornexus.knowledge import load_knowledge
from tumornexus.profile import load_reference
from tumornexus.profile.measure import score_sample
from tumornexus.profile.phenotype import LIMIT, PHENOTYPES, broad_inputs, broad_names, phenotype_features

COHORT = "imvigor210"
RIDGES = (3.0, 10.0, 30.0)
FOLDS = 5


def labelled(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features (tumor, feature) of the tumors with a label and all features, and the labels (tumor,)."""
    reference = load_reference()
    x, y = [], []
    for patient in read_cohort(folder, load_knowledge()):
        label = str(patient.clinical.get("immune_phenotype", "")).lower()
        scored = score_sample(patient.expression, reference) if patient.expression is not None else None
        if label in PHENOTYPES and scored is not None:
            row = broad_inputs(phenotype_features(scored, reference))
            if np.isfinite(row).all():
                x.append(row)
                y.append(PHENOTYPES.index(label))
    return np.array(x), np.array(y)


def shares(b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Class probabilities (tumor, class) of coefficients (class, 1 + feature)."""
    logits = np.column_stack([np.ones(len(x)), x]) @ b.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def folds_of(y: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Stratified folds (tumor,)."""
    fold = np.empty(len(y), dtype=int)
    for c in np.unique(y):
        members = np.flatnonzero(y == c)
        fold[rng.permutation(members)] = np.arange(len(members)) % k
    return fold


def fit(x: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and spread of the features (feature,) and coefficients (class, 1 + feature)."""
    mean, sd = x.mean(axis=0), x.std(axis=0)
    return mean, sd, multinomial(np.clip((x - mean) / sd, -LIMIT, LIMIT), y, ridge)


def predict(model: tuple[np.ndarray, np.ndarray, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Class probabilities (tumor, class)."""
    mean, sd, b = model
    return shares(b, np.clip((x - mean) / sd, -LIMIT, LIMIT))


def fold_loss(x: np.ndarray, y: np.ndarray, ridge: float, fold: np.ndarray) -> float:
    """Mean log loss over folds."""
    loss = 0.0
    for k in range(fold.max() + 1):
        p = predict(fit(x[fold != k], y[fold != k], ridge), x[fold == k])
        loss -= float(np.log(p[np.arange(len(p)), y[fold == k]]).sum())
    return loss / len(y)


def main() -> int:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of cohort folders")
    default = Path(__file__).resolve().parents[1] / "src" / "tumornexus" / "profile" / "data" / "phenotype_model.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    x, y = labelled(options.data / COHORT)
    fold = folds_of(y, FOLDS, named_generator(0, "phenotype model", "folds"))
    losses = {r: fold_loss(x, y, r, fold) for r in RIDGES}
    ridge = min(losses, key=lambda r: losses[r])
    mean, sd, b = fit(x, y, ridge)
    record = {
        "features": list(broad_names()),
        "mean": np.round(mean, 4).tolist(),
        "sd": np.round(sd, 4).tolist(),
        "coefficients": np.round(b, 4).tolist(),
        "classes": list(PHENOTYPES),
        "class_fractions": np.round(np.bincount(y, minlength=3) / len(y), 4).tolist(),
        "provenance": {
            "cohort": COHORT,
            "source": "doi:10.1038/nature25501",
            "n": len(y),
            "ridge": ridge,
            "script": "scripts/build_phenotype_model.py",
            "reference_digest": load_reference().digest,
            "performance": "verification/phenotype.py",
            "content": "coefficients; no patient values",
        },
    }
    write_json(options.out, record)
    print(f"{len(y)} tumors, ridge {ridge:g}, log loss by ridge {losses}: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

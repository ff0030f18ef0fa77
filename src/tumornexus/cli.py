"""The command line. Imports happen inside commands, so that help and errors come at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tumornexus.cli_trial import calibrate_command, trial_command
from tumornexus.errors import NexusError

app = typer.Typer(
    name="tumornexus",
    help="Resistance mechanisms of a tumor and what rational combinations would do in simulation. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Public cohorts: list them or fetch them from their public address.", no_args_is_help=True)
app.add_typer(data_app, name="data")
new_app = typer.Typer(help="Start a record of your own.", no_args_is_help=True)
app.add_typer(new_app, name="new")


def _folder_for_results(out: Path) -> Path:
    """Refuse a file as the folder for results before anything is computed."""
    from tumornexus.errors import InputError

    above = next((p for p in (out, *out.parents) if p.exists()), None)
    if above is not None and not above.is_dir():
        raise InputError("not a folder", file=above, field="--out", valid="a folder, or a name for one")
    return out


Out = Annotated[
    Path,
    typer.Option("--out", help="Folder for the results; made if it does not exist.", callback=_folder_for_results),
]
Sample = Annotated[str | None, typer.Option("--sample", help="Sample id when PATIENT is a cohort folder.")]
Regimens = Annotated[
    list[str] | None,
    typer.Option("--regimen", help='Regimen to simulate, such as "nivolumab 240 mg q2w"; may be repeated.'),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of all random streams.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Model parameter set by hand in its unit, such as cd8_entry=2; may be repeated."),
]
Records = Annotated[
    Path | None,
    typer.Option("--knowledge", help="Folder of your own records, added to those of the program."),
]
Draws = Annotated[int, typer.Option("--draws", min=8, max=4096, help="Draws of the virtual patient.")]


def _overrides(texts: list[str] | None) -> dict[str, float]:
    """Read `--set parameter=value` options; whether the model can use them is checked where they are used."""
    from tumornexus.errors import InputError

    given = {}
    for text in texts or ():
        name, separator, value = text.partition("=")
        try:
            given[name.strip()] = float(value)
        except ValueError:
            problem = "no number" if separator else "no '='"
            raise InputError(
                problem, field="--set", value=text, valid="parameter=number, such as cd8_entry=2"
            ) from None
    return given


def _show_version(asked: bool) -> None:
    if asked:
        from tumornexus import __version__

        typer.echo(f"tumornexus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error; nothing where that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total or None)
        yield lambda done: progress.advance(task, done)


def _keep_compiled() -> None:
    """Keep compiled simulations in the user's cache folder, so that a second start takes seconds."""
    from tumornexus.machine import keep_compiled

    keep_compiled()


@app.command("run")
def run_command(
    patient: Annotated[Path, typer.Argument(help="Folder with patient.toml, or a cohort folder with --sample.")],
    out: Out,
    sample: Sample = None,
    regimen: Regimens = None,
    overrides: Overrides = None,
    records: Records = None,
    seed: Seed = 0,
    draws: Draws = 64,
) -> None:
    """Take one patient from files to a report: profile, twin, dominant nodes, ranked combinations."""
    _keep_compiled()
    from tumornexus.knowledge import load_knowledge
    from tumornexus.pipeline import run
    from tumornexus.report.terminal import print_summary

    result = run(
        patient, sample=sample, out=out, regimens=regimen or (), overrides=_overrides(overrides), n_draws=draws,
        seed=seed, call=sys.argv, records=records, progress=progress_bar,
    )  # fmt: skip
    print_summary(result, knowledge=load_knowledge(extra=records))
    typer.echo(f"report: {out / 'report.html'}")


@app.command("design")
def design_command(
    patient: Annotated[Path, typer.Argument(help="Folder with patient.toml, or a cohort folder with --sample.")],
    out: Out,
    sample: Sample = None,
    regimen: Regimens = None,
    overrides: Overrides = None,
    records: Records = None,
    seed: Seed = 0,
    draws: Draws = 64,
) -> None:
    """Find dominant nodes and rank combinations: nodes.tsv, ranking.tsv, measure_next.tsv without report."""
    _keep_compiled()
    from tumornexus.io.write import write_results
    from tumornexus.pipeline import run

    result = run(
        patient, sample=sample, regimens=regimen or (), overrides=_overrides(overrides), n_draws=draws, seed=seed,
        call=sys.argv, records=records, progress=progress_bar,
    )  # fmt: skip
    write_results(
        out,
        {
            "nodes.tsv": result.nodes,
            "ranking.tsv": result.ranking.drop(columns=["score"]),
            "measure_next.tsv": result.measure_next,
            "manifest.json": result.manifest,
        },
    )
    typer.echo(f"{len(result.ranking)} regimens ranked in {out / 'ranking.tsv'}")


@app.command("profile")
def profile_command(
    patient: Annotated[Path, typer.Argument(help="Patient folder or cohort folder.")],
    out: Out,
    sample: Sample = None,
    regimen: Regimens = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Add the twin's simulated response.")] = False,
    records: Records = None,
    seed: Seed = 0,
    draws: Draws = 64,
) -> None:
    """Measure: resistance profile of one patient or of every sample of a cohort."""
    from tumornexus.errors import InputError
    from tumornexus.io import read_cohort, read_patient
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.regimen import parse_regimen
    from tumornexus.profile import profile_cohort, profile_patient, write_profiles
    from tumornexus.profile.changes import changes
    from tumornexus.profile.information import information_table
    from tumornexus.profile.microbiome import stool_lines
    from tumornexus.profile.readable import require_readable
    from tumornexus.provenance import added_records, manifest

    knowledge = load_knowledge(extra=records)
    require_readable(knowledge)
    parsed = [parse_regimen(text, knowledge) for text in regimen or ()]
    if len(parsed) > 1:
        raise InputError(
            "a profile takes one regimen",
            field="--regimen",
            value=[r.text for r in parsed],
            valid="one --regimen, or `run`",
        )
    if sample is not None or (patient / "patient.toml").is_file():
        profiles = [profile_patient(read_patient(patient, sample, knowledge), knowledge)]
    else:
        cohort = read_cohort(patient, knowledge)
        with progress_bar("profiling", len(cohort)) as tick:
            profiles = profile_cohort(cohort, knowledge, progress=lambda done, total: tick(1))
    extra, notes = None, {}
    if simulate or parsed:
        from tumornexus.design.twin_or_statistics import better_calibrated

        extra = _twin_responses(profiles, parsed, knowledge, seed, draws)
        notes["twin_or_statistics"] = better_calibrated(knowledge.digest)
    record = manifest(sys.argv, seed, knowledge.digest, **notes, **added_records(records, knowledge.added))
    unmeasured = information_table(profiles, knowledge)
    paired = changes(profiles, seed)
    tables = {"changes.tsv": paired.table} if paired.pairs else None
    write_profiles(profiles, out, record, twin=extra, measure_next=unmeasured, tables=tables)
    typer.echo(f"{len(profiles)} sample{'s' if len(profiles) != 1 else ''} profiled: {out / 'summary.tsv'}")
    if paired.pairs:
        new = int((paired.table["acquired"] == "yes").sum())
        typer.echo(f"{paired.pairs} pairs of samples compared, {new} mechanisms acquired: {out / 'changes.tsv'}")
        for reason, number in paired.left_out.items():
            typer.echo(f"left out: {number} samples, {reason}")
    for line in stool_lines([p.patient.microbiome for p in profiles if p.patient.microbiome is not None]):
        typer.echo(line)
    for line in notes.values():
        typer.echo(line)
    if len(profiles) == 1 and len(unmeasured):
        rows = zip(unmeasured["input"], unmeasured["information_bits"], strict=True)
        first = "; ".join(f"{name} ({bits:.2f} bits)" for name, bits in list(rows)[:3])
        typer.echo(f"most expected information: {first} ({out / 'measure_next.tsv'})")


@app.command("cohort")
def cohort_command(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="One cohort folder or several.")],
    out: Out,
    outcome: Annotated[
        list[str] | None,
        typer.Option("--outcome", help="response, PFS or OS; may be repeated. All that the folders hold by default."),
    ] = None,
    fewest: Annotated[int, typer.Option("--fewest", min=6, help="Patients with an outcome that a cohort needs.")] = 20,
    records: Records = None,
) -> None:
    """Associate every mechanism with response, PFS and OS in cohorts, by cancer type and treatment, and pool them.

    Writes associations.tsv, pooled.tsv, patients.tsv, forest.png, Kaplan-Meier figures and manifest.json.
    """
    from rich.console import Console

    from tumornexus.cohort.outcomes import cohort_table
    from tumornexus.cohort.study import check_outcomes, refuse_useless, study
    from tumornexus.cohort.study_report import SMALL_Q, summary_table, write_study
    from tumornexus.io import read_cohort
    from tumornexus.knowledge import load_knowledge
    from tumornexus.profile import profile_cohort
    from tumornexus.profile.readable import require_readable
    from tumornexus.profile.reference import load_reference
    from tumornexus.provenance import added_records, installed_version, manifest

    asked = check_outcomes(outcome or ())
    names = _cohort_names(folders)
    knowledge = load_knowledge(extra=records)
    require_readable(knowledge)
    tables = []
    for folder, name in zip(folders, names, strict=True):
        cohort = read_cohort(folder, knowledge)
        with progress_bar(f"profiling {name}", len(cohort)) as tick:
            profiles = profile_cohort(cohort, knowledge, progress=lambda done, total, tick=tick: tick(1))
        tables.append(cohort_table(profiles, name, folder))
        refuse_useless(tables[-1], asked, fewest)
    with progress_bar("associating", 0):
        found = study(tables, asked, fewest)
    record = manifest(
        sys.argv, 0, knowledge.digest, reference_digest=load_reference().digest, fewest=fewest,
        cohorts={t.name: len(t.table) for t in tables}, lifelines=installed_version("lifelines"),
        **added_records(records, knowledge.added),
    )  # fmt: skip
    with progress_bar("drawing", 0):
        written = write_study(found, out, record)
    Console(highlight=False).print(summary_table(found))
    if not bool((found.pooled["q"] < SMALL_Q).any()):
        typer.echo("no score has a false discovery rate below 10 %")
    for note in found.notes:
        typer.echo(note)
    typer.echo(f"{len(found.table)} patients: {out / 'associations.tsv'}, {', '.join(written)}")


def _cohort_names(folders: list[Path]) -> list[str]:
    """Names of the cohorts: their folders' names, which must differ."""
    from tumornexus.errors import InputError

    names = [folder.resolve().name for folder in folders]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(
            "two cohorts of one name", field="FOLDER", value=", ".join(twice), valid="folders of different names"
        )
    return names


def _twin_responses(profiles: list[Any], parsed: list[Any], knowledge: Any, seed: int, draws: int) -> Any:
    """Simulated response of each profile under `parsed`, else under what was given, else under the usual antibody."""
    _keep_compiled()
    import pandas as pd

    from tumornexus.design.candidates import backbone_drug
    from tumornexus.design.given import regimen_given
    from tumornexus.errors import SimulationError
    from tumornexus.knowledge.regimen import parse_regimen
    from tumornexus.pipeline import twin_of, twin_response

    rows = []
    with progress_bar("simulating", len(profiles)) as tick:
        for profile in profiles:
            tumor = knowledge.tumors[profile.tumor]
            given = None if parsed else regimen_given(profile.patient.clinical.get("treatment"), tumor, knowledge)
            regimen = parsed[0] if parsed else given or parse_regimen(backbone_drug(knowledge, tumor).usual, knowledge)
            try:
                found = twin_response(twin_of(profile, knowledge, n_draws=draws, seed=seed), regimen, knowledge)
            except SimulationError as error:
                if len(profiles) == 1:
                    raise
                typer.echo(f"{profile.sample} was not simulated: {error}", err=True)
                found = (float("nan"),) * 3
            rows.append((*found, regimen.text))
            tick(1)
    return pd.DataFrame(rows, columns=[f"twin_response_{n}" for n in ("score", "low", "high", "regimen")])


@app.command("tissue")
def tissue_command(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO.toml", help="What tissue, how long, which regimens.")],
    out: Out,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--fresh", help="Require a checkpoint in --out, or discard it; else go on if there is one."
        ),
    ] = None,
    overrides: Overrides = None,
    records: Records = None,
) -> None:
    """Simulate a tissue cell by cell: cells, fields, summary, pictures and a film for each regimen of a scenario.

    A run that was stopped goes on with the same command. A checkpoint of another scenario is refused.
    """
    from tumornexus.knowledge import load_knowledge
    from tumornexus.tissue.scenario import read_scenario

    knowledge = load_knowledge(extra=records)
    read = read_scenario(scenario, knowledge, overrides=_overrides(overrides))
    activities = facts = None
    if read.patient is not None:
        from tumornexus.io import read_patient
        from tumornexus.pipeline import facts_of
        from tumornexus.profile import profile_patient
        from tumornexus.profile.readable import require_readable

        require_readable(knowledge)
        profile = profile_patient(read_patient(read.path(read.patient), read.sample, knowledge), knowledge)
        read, activities, facts = read.with_tumor(profile.tumor), profile.activities, facts_of(profile)
    if read.size_um and read.lattice.note:
        typer.echo(read.lattice.note)
    _keep_compiled()
    from tumornexus.tissue_pipeline import run_scenario

    run_scenario(
        read, knowledge, out, call=sys.argv, progress=progress_bar, resume=resume, activities=activities, facts=facts,
        records=records,
    )  # fmt: skip
    typer.echo(f"summary: {out / 'summary.tsv'}")


app.command("trial")(trial_command)
app.command("calibrate")(calibrate_command)


@app.command("explain")
def explain_command(
    name: Annotated[str, typer.Argument(help="Id or alias of anything in the catalogue; kind:name for one kind.")],
    records: Records = None,
) -> None:
    """Tell what the catalogue knows of a mechanism, therapy, drug, tumor type, trial, parameter, cell or mediator.

    Also of a biomarker, cycle step, observable, rate law, reference (key, DOI or PMID) or gene.
    """
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.explain import explain
    from tumornexus.knowledge.terminal import print_explanation

    print_explanation(explain(load_knowledge(extra=records), name))


@app.command("compare")
def compare_command(
    first: Annotated[str, typer.Argument(help="ici")] = "ici",
    second: Annotated[str, typer.Argument(help="car-t")] = "car-t",
    reasons: Annotated[bool, typer.Option("--reasons", help="With the reason of each mechanism.")] = False,
    records: Records = None,
) -> None:
    """Compare resistance to checkpoint inhibitors with resistance to CAR-T cells."""
    from tumornexus.errors import InputError
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.explain import compare_modalities
    from tumornexus.knowledge.terminal import print_comparison

    known = {"ici": "ici", "checkpoint": "ici", "car-t": "car-t", "cart": "car-t", "car_t": "car-t"}
    for word in (first, second):
        if word.lower() not in known:
            raise InputError("unknown modality", field="compare", value=word, valid="ici, car-t")
    if known[first.lower()] == known[second.lower()]:
        raise InputError("nothing to compare", field="compare", value=f"{first} {second}", valid="ici car-t")
    print_comparison(compare_modalities(load_knowledge(extra=records)), reasons=reasons)


@app.command("network")
def network_command(
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the interactive page and the static figures.")
    ] = None,
    paths: Annotated[
        tuple[str, str] | None, typer.Option("--paths", metavar="A B", help="Signed chains of claims from A to B.")
    ] = None,
    loops: Annotated[bool, typer.Option("--loops", help="Feedback loops.")] = False,
    through: Annotated[str | None, typer.Option("--through", help="Only loops through this mechanism.")] = None,
    reverses: Annotated[str | None, typer.Option("--reverses", help="What reverses this mechanism.")] = None,
    complementary: Annotated[
        bool, typer.Option("--complementary", help="Therapies that cover different steps and hubs.")
    ] = False,
    therapy: Annotated[
        list[str] | None,
        typer.Option("--therapy", help="With --complementary: one for its partners, several to judge the set."),
    ] = None,
    longest: Annotated[int, typer.Option("--longest", min=1, max=8, help="Steps of a chain or loop at most.")] = 5,
    records: Records = None,
) -> None:
    """Ask the network of claims, or draw it: paths, feedback loops, reversals, complementary therapies."""
    from rich.console import Console

    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.terminal import rich_table
    from tumornexus.report import claims_terminal as say

    knowledge = load_knowledge(extra=records)
    found = []
    if paths:
        found.append(say.paths(knowledge, *paths, longest=longest))
    if loops or through:
        found.append(say.loops(knowledge, through=through, longest=longest))
    if reverses:
        found.append(say.reversals(knowledge, reverses))
    if complementary or therapy:
        found.append(say.complements(knowledge, therapy or []))
    if not found and out is None:
        found.append(say.summary(knowledge))
    console = Console(highlight=False)
    for table in found:
        console.print(rich_table(table))
    if out is not None:
        from tumornexus.report.claims import write_network

        for path in write_network(knowledge, out):
            typer.echo(str(path))


@app.command("export")
def export_command(
    out: Annotated[Path, typer.Argument(help="Folder for the export; made if it does not exist.")],
    base: Annotated[
        str | None, typer.Option("--base", help="Address under which you publish the records, such as https://x.org/.")
    ] = None,
    records: Records = None,
) -> None:
    """Write the whole catalogue in open formats: JSON-LD, N-Triples, GraphML and CSV, with digest and version."""
    from tumornexus.errors import InputError
    from tumornexus.io.catalogue import coverage, export_catalogue
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.explain import Table
    from tumornexus.knowledge.linked import BASE
    from tumornexus.knowledge.terminal import rich_table

    if base is not None and not (base.startswith(("http://", "https://", "urn:")) and base.endswith(("/", "#", ":"))):
        raise InputError(
            "not an address", field="--base", value=base, valid="http(s)://... or urn:..., ending in / # :"
        )
    knowledge = load_knowledge(extra=records)
    manifest = export_catalogue(knowledge, out, base or BASE)
    from rich.console import Console

    rows = tuple((plural, str(of), str(n)) for plural, (n, of) in coverage(knowledge).items())
    Console().print(rich_table(Table("Identifiers", ("records", "number", "with a term or address elsewhere"), rows)))
    typer.echo(f"{len(manifest['sha256']) + 1} files, digest {manifest['digest']}: {out}")


@app.command("export-sbml")
def export_sbml_command(
    regimen: Annotated[str, typer.Argument(help='Regimen, such as "nivolumab 240 mg q2w".')],
    out: Annotated[Path, typer.Option("--out", help="SBML file to write.")],
    tumor: Annotated[str, typer.Option("--tumor", help="Tumor type of the virtual patient.")] = "melanoma",
    layout: Annotated[
        str, typer.Option("--layout", help="functions (libRoadRunner) or rules (readable, for COPASI).")
    ] = "functions",
    records: Records = None,
    seed: Seed = 0,
) -> None:
    """Write the equations of a virtual patient under a regimen, with its doses, as SBML for other simulators.

    The toxicity threshold at which the patient's drugs pause is the parameter toxicity_threshold of the file.
    """
    from tumornexus.errors import InputError

    if layout not in ("functions", "rules"):
        raise InputError("unknown layout", field="--layout", value=layout, valid="functions or rules")
    if not out.absolute().parent.is_dir():
        raise InputError("no such folder", field="--out", value=str(out.parent), valid="a file in an existing folder")
    _keep_compiled()
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.regimen import parse_regimen
    from tumornexus.systemic.export.patients import virtual_patients
    from tumornexus.systemic.export.sbml import export_sbml
    from tumornexus.systemic.treatment import prepare

    knowledge = load_knowledge(extra=records)
    treatment = prepare(parse_regimen(regimen, knowledge), knowledge)
    patient = virtual_patients(tumor, knowledge, 1, seed=seed)
    equations = export_sbml(
        out, patient.values[0], patient.names, patient.state, treatment, knowledge, patient.lesions, layout=layout
    )  # fmt: skip
    typer.echo(f"{len(equations.rates)} states and {len(equations.events)} events in {out}")


@app.command("check")
def check_command(
    records: Records = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors and warnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for other programs.")] = False,
) -> None:
    """Check the knowledge base, with your own records if named: form, meaning, sources, orphans, double counting.

    Exit status: 0 in order, 1 something to mend, 2 records that cannot be read.
    """
    from tumornexus.knowledge.audit import audit
    from tumornexus.profile.readable import biomarker_findings

    found = audit(records, further=biomarker_findings)
    if as_json:
        import json

        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        from tumornexus.knowledge.terminal import print_audit

        print_audit(found, quiet=quiet)
    if code := found.exit_code(strict=strict):
        raise typer.Exit(code)


@app.command("schema")
def schema_command(
    folder: Annotated[Path, typer.Argument(help="Folder for the schemas; made if it does not exist.")],
    records: Records = None,
) -> None:
    """Write JSON Schemas of the record files, with which an editor completes and checks a record being written."""
    from tumornexus.errors import InputError
    from tumornexus.knowledge import load_knowledge
    from tumornexus.knowledge.schema import write_schemas

    if folder.exists() and not folder.is_dir():
        raise InputError("not a folder", file=folder, valid="a folder, or a name for one")
    written = write_schemas(folder, load_knowledge(extra=records))
    typer.echo(f"{len(written)} schemas in {folder}; a record names its own in a first line such as")
    typer.echo(f"#:schema {folder / 'mechanisms.schema.json'}")


@new_app.callback()
def _new() -> None:
    """Start a record of your own."""


@new_app.command("mechanism")
def new_mechanism_command(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits and underscores.")],
    into: Annotated[Path, typer.Option("--into", help="Folder of your records.")] = Path("my_records"),
    kind: Annotated[str, typer.Option("--kind", help="cause, state or outcome.")] = "cause",
) -> None:
    """Write a mechanism to fill in, every field explained; nothing is overwritten."""
    from tumornexus.knowledge.scaffold import new_mechanism

    made = new_mechanism(identifier, into, kind)
    for file in made.written:
        if file.parent.name != "schemas":
            typer.echo(f"written: {file}")
    if made.near:
        typer.echo(f"the catalogue already knows {', '.join(made.near)}: is it one of them? (tumornexus explain NAME)")
    typer.echo(f"fill it in, then: tumornexus check --knowledge {into}")


@data_app.command("list")
def data_list() -> None:
    """List public cohorts: what they are, licence, whether a verified copy is here."""
    from rich.console import Console
    from rich.table import Table

    from tumornexus.io import datasets

    rows = datasets.table()
    table = Table()
    for column in rows[0] if rows else ():
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    console = Console()
    console.print(table)
    for folder in datasets.local_cohorts():
        console.print(f"local cohort: {folder}", markup=False)


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="Name of a data set, see `data list`.")]) -> None:
    """Fetch a public data set and verify its hash."""
    from tumornexus.io import datasets

    typer.echo(str(datasets.fetch(name)))


def main() -> None:
    """Run the command line: input errors become one message and exit code 2, Ctrl-C stops with 130."""
    try:
        code = app(standalone_mode=False)
    except NexusError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(130)
    except Exception as error:
        # Wrong words on the command line; typer brings its own copy of click, so the class has no importable name.
        if hasattr(error, "show") and hasattr(error, "format_message"):
            error.show()
            sys.exit(2)
        raise
    # Outside standalone mode `typer.Exit(code)` inside a command comes back as its return value.
    if isinstance(code, int) and code:
        sys.exit(code)


if __name__ == "__main__":
    main()

# Everyday commands. `just` lists them; install it with `cargo install just`.
set shell := ["bash", "-euo", "pipefail", "-c"]

_list:
    @just --list --unsorted

# Build the program and the sandbox.
build:
    cargo build --locked --workspace

# Read simulated appliances and write a report.
demo *ARGUMENTS:
    cargo run --locked --release -- demo {{ ARGUMENTS }}

# Run the tests, all or those whose name contains the argument.
test *FILTER:
    cargo test --locked {{ FILTER }}

# Run what must pass before a commit, apart from the tests: format, lints, scripts, spelling, text.
lint:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
    .ci/lint

# Format Rust and Python.
format:
    cargo fmt --all
    . .ci/tools && python_packages && ruff format && ruff check --fix

# Run every check, as the CI does (up to 90 minutes on a fresh machine).
ci:
    .ci/run

# Build the packages, the archive and the SBOM of a release into dist/. `--check` compares a second build.
release *ARGUMENTS:
    scripts/release {{ ARGUMENTS }}

# Build the documentation of the code and open it.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features --open

# Run the benchmarks, all or those whose name contains the argument.
bench *FILTER:
    cargo bench --locked {{ FILTER }}

# Write reports/sample.html and reports/sample-partial.html again after a change of the report.
sample:
    UPDATE_SAMPLE=1 cargo test --locked --lib report

# Show the worst sentences and words of comments and documents.
prose *PATHS:
    .ci/prose {{ PATHS }}

# Resolve .ci/requirements.in into .ci/requirements.txt again. Give packages to upgrade as `--upgrade-package NAME`.
lock *ARGUMENTS:
    python3 -m venv target/ci-tools/uv
    target/ci-tools/uv/bin/pip install -q uv==0.13.9
    target/ci-tools/uv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command "just lock" {{ ARGUMENTS }} .ci/requirements.in -o .ci/requirements.txt

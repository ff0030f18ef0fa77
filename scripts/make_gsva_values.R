# Reference values for the ssGSEA test, computed by the R package GSVA (Bioconductor, Haenzelmann et al. 2013,
# doi:10.1186/1471-2105-14-7), an implementation that shares no code with tumornexus.
#
#   Rscript scripts/make_gsva_values.R tests/profile/data/gsva_ssgsea.json
#
# On Debian 12: apt-get install r-bioc-gsva. The test reads the stored JSON, so R is not needed to run it.
# The matrix holds the cases that separate implementations: integer-valued ties, many zeros, a nearly constant
# sample (one value differs), a wholly constant sample, and continuous values without ties. GSVA truncates the
# average rank of a tie to an integer and walks ties in row order; both show up in these numbers.

suppressPackageStartupMessages(library(GSVA))

out <- commandArgs(trailingOnly = TRUE)
out <- if (length(out) >= 1) out[[1]] else "tests/profile/data/gsva_ssgsea.json"

set.seed(20170725)
n <- 60
genes <- sprintf("G%02d", seq_len(n))
expression <- cbind(
  continuous = rlnorm(n, 2, 1.5),
  integer_ties = as.numeric(rpois(n, 3)),
  half_zero = ifelse(runif(n) < 0.5, 0, as.numeric(rpois(n, 8))),
  nearly_constant = c(rep(1, n - 1), 2),
  overdispersed = as.numeric(rnbinom(n, mu = 40, size = 0.5)),
  negative_log = round(rnorm(n, 0, 2), 1),
  constant = rep(5, n)
)
rownames(expression) <- genes

sets <- list(
  size1 = "G07",
  size4 = c("G02", "G60", "G31", "G17"),
  size10 = genes[seq(3, 57, by = 6)],
  size10_overlap = genes[c(3, 9, 15, 21, 27, 4, 10, 16, 22, 28)],
  size30 = genes[seq(1, 59, by = 2)]
)

# Constant genes draw a warning but stay in for ssgsea; none of the rows here is constant over the samples.
score <- function(normalize) {
  gsva(expression, sets, method = "ssgsea", tau = 0.25, ssgsea.norm = normalize, min.sz = 1, max.sz = Inf,
       parallel.sz = 1L, verbose = FALSE)
}
raw <- score(FALSE)
normalized <- score(TRUE)

# The raw scores of one sample must not depend on the other samples; the normalized ones do (range over the matrix).
alone <- gsva(expression[, c("integer_ties", "integer_ties")], sets, method = "ssgsea", tau = 0.25,
              ssgsea.norm = FALSE, min.sz = 1, parallel.sz = 1L, verbose = FALSE)
stopifnot(identical(unname(alone[, 1]), unname(raw[, "integer_ties"])))

number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
array_of <- function(x) paste0("[", paste(x, collapse = ", "), "]")
quote_all <- function(x) paste0("\"", x, "\"")
object <- function(names, values, indent) {
  pad <- strrep(" ", indent)
  paste0("{\n", paste0(pad, "  ", quote_all(names), ": ", values, collapse = ",\n"), "\n", pad, "}")
}
columns <- function(m) {
  object(colnames(m), vapply(colnames(m), function(s) array_of(number(m[, s])), ""), 2)
}

json <- object(
  c("source", "gsva_version", "r_version", "alpha", "genes", "sets", "expression", "set_order", "raw", "normalized"),
  c(quote_all("R GSVA, method ssgsea, min.sz 1; columns of raw and normalized are samples, entries follow set_order"),
    quote_all(as.character(packageVersion("GSVA"))),
    quote_all(R.version.string),
    "0.25",
    array_of(quote_all(genes)),
    object(names(sets), vapply(sets, function(s) array_of(quote_all(s)), ""), 2),
    columns(expression),
    array_of(quote_all(rownames(raw))),
    columns(raw),
    columns(normalized)),
  0)
writeLines(json, out)

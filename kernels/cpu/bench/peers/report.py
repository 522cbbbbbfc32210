"""The rows of the comparison: shares of the machine's limits, ratios to ours, and the table that shows them."""

import statistics

HEAD = ("m", "", "us", "GB/s", "of the roof", "/best", "/exact", "/int8", "rel. error")


def roof_of(samples):
    """The median of each limit over the rounds."""
    samples = [s for s in samples if s]
    if not samples:
        return None
    return {**samples[0], **{k: statistics.median(s[k] for s in samples) for k in samples[0] if k != "kernel"}}


def is_ours(entry):
    return entry["name"].startswith("libawq") and bool(entry["seconds"])


def rows(work, measured, roof):
    """measured: for each entry its name, arithmetic, seconds a linear (or None and why not) and relative error."""
    weight = work.weight
    bytes_, flop = weight.nbytes, 2.0 * work.m * weight.n * weight.k
    out = []
    for e in measured:
        row = {**e, "n": weight.n, "k": weight.k, "group": weight.group, "symmetric": weight.symmetric, "m": work.m}
        t = e["seconds"]
        if t:
            row.update(microseconds=t * 1e6, gbytes_per_second=bytes_ / t / 1e9, gops=flop / t / 1e9)
            if roof:
                # int8 arithmetic has the faster of the two limits: nothing obliges it to multiply in int8
                limit = max(roof["gflops"], roof["gops_int8"]) if e["arithmetic"] == "int8" else roof["gflops"]
                read, compute = row["gbytes_per_second"] / roof["gbytes_per_second"], row["gops"] / limit
                row.update(share=max(read, compute), nearer="read" if read >= compute else "compute")
            # a disturbed time beside an undisturbed one says nothing
            ours = {o["name"].split()[-1]: o["seconds"] for o in measured if is_ours(o) and o["disturbed"] == e["disturbed"]}
            row["to_best"] = t / min(ours.values()) if ours and len(ours) == sum(map(is_ours, measured)) else None
            row["to_exact"] = t / ours["exact"] if "exact" in ours else None
            row["to_int8"] = t / ours["int8"] if "int8" in ours else None
        out.append(row)
    return out


def number(value, form):
    return "-" if value is None else format(value, form)


def cells(row):
    if not row["seconds"]:
        return (row["m"], row["name"], "-", "", "", "", "", "", row["trouble"])
    share = f"{100 * row['share']:.0f} % {row['nearer']}" if "share" in row else "-"
    ratios = (number(row[name], ".2f") for name in ("to_best", "to_exact", "to_int8"))
    return (row["m"], row["name"], f"{'~' * row.get('disturbed', False)}{row['microseconds']:.1f}", f"{row['gbytes_per_second']:.2f}", share, *ratios, f"{row['error']:.1e}")


def table(rows):
    lines = [HEAD] + [tuple(map(str, cells(r))) for r in rows]
    width = [max(len(line[i]) for line in lines if i < 8 or len(line[i]) < 12) for i in range(len(HEAD))]
    out = []
    for i, line in enumerate(lines):
        if i > 1 and line[0] != lines[i - 1][0]:
            out.append("")
        out.append("  ".join(c.ljust(w) if j == 1 else c.rjust(w) for j, (c, w) in enumerate(zip(line, width))).rstrip())
    return "\n".join(out)


def roof_line(roof, trouble):
    if not roof:
        return f"roof unknown ({trouble})"
    return (
        f"roof ({roof['kernel']}): reads {roof['gbytes_per_second']:.1f} GB/s, multiplies {roof['gflops']:.0f} GFLOP/s fp32, "
        f"{roof['gops_int8']:.0f} GOP/s int8"
    )

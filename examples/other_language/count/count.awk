# Groups the rows of a CSV (stdin, with a header) by the column BY: rows, and mean, least and greatest of the column OF.
#
# From the environment: BY, OF; GROUPS_PART, the CSV to write; OUTPUT_PART, the executor output to write, which is
# what puts metrics on Kubeflow's screen; GROUPS_URI and METRICS_URI, where the outputs are kept.

{
    line = $0
    if (!open) first = NR
    record = open ? record "\n" line : line
    open = (open + gsub(/"/, "\"", line)) % 2  # a quoted field may go over several lines
    if (open && NR - first > 1000) exit  # but not over that many; END has the message
    if (open) next
    sub(/\r$/, "", record)
    take(record)
    record = ""
}

END {
    if (refused) exit 1
    if (open) refuse("line " first ": a quote is opened and not closed", "", "", "double the quotes in a quoted field")
    if (!header) refuse("the table is empty", "", "a header and at least one row", "")
    if (!rows) refuse("the table has no rows", "", "at least one", "")
    if (endless(sum)) refuse("the numbers of column '" names[of] "' are too large to be summed up", "", "", "")
    write_groups(ENVIRON["GROUPS_PART"])
    write_output(ENVIRON["OUTPUT_PART"])
}

function take(record,    count, group, text) {
    if (!header) {
        sub(/^\357\273\277/, "", record)
        header = fields(record, names)
        by = column(ENVIRON["BY"], "by")
        of = column(ENVIRON["OF"], "of")
        return
    }
    if (record == "" && header > 1) return
    count = fields(record, values)
    if (count != header)
        refuse("line " first " has another number of fields than the header", count, header " fields", "")
    group = values[by]
    if (!(group in rows_of)) order[++groups] = group
    rows++
    rows_of[group]++
    text = values[of]
    if (text == "") missing++
    else add(group, number(text))
}

function add(group, value) {
    if (!known++ || value < least) least = value
    if (known == 1 || value > greatest) greatest = value
    sum += value
    if (!known_of[group]++ || value < least_of[group]) least_of[group] = value
    if (known_of[group] == 1 || value > greatest_of[group]) greatest_of[group] = value
    sum_of[group] += value
}

function number(text,    value) {
    value = text + 0
    if (text !~ /^ *[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)? *$/ || endless(value))
        refuse("line " first ", column '" names[of] "': this is not a number", text, \
               "a column whose mean is asked for holds finite numbers", "give another column as `of`")
    return value
}

# Whether a number is beyond the largest that there is. (How such compare differs from awk to awk.)
function endless(value) {
    return sprintf("%g", value) ~ /inf|nan/
}

function column(name, parameter,    i, all) {
    for (i = 1; i <= header; i++) {
        if (names[i] == name) return i
        all = all (i > 1 ? ", " : "") names[i]
    }
    refuse("parameter `" parameter "`: the table has no such column", name, "", "known are: " all)
}

# Splits a record of a CSV; returns the number of fields.
function fields(record, into,    n, field, comma) {
    for (;;) {
        if (match(record, /^"([^"]|"")*"/)) {
            field = substr(record, 2, RLENGTH - 2)
            gsub(/""/, "\"", field)
            record = substr(record, RLENGTH + 1)
            if (record != "" && substr(record, 1, 1) != ",")
                refuse("line " first ": text after a closing quote", record, "", "double the quotes in a quoted field")
        } else {
            comma = index(record, ",")
            field = comma ? substr(record, 1, comma - 1) : record
            record = comma ? substr(record, comma) : ""
        }
        into[++n] = field
        if (record == "") return n
        record = substr(record, 2)
    }
}

function write_groups(path,    i, group) {
    print csv(names[by]) ",rows,mean,least,greatest" > path
    for (i = 1; i <= groups; i++) {
        group = order[i]
        printf "%s,%d,", csv(group), rows_of[group] > path
        if (known_of[group])
            printf "%.17g,%.17g,%.17g\n", sum_of[group] / known_of[group], least_of[group], greatest_of[group] > path
        else
            print ",," > path
    }
    close(path)
}

# Kubeflow reads what a step says of its outputs from this file. Its Python SDK writes it for Python steps.
function write_output(path,    scores) {
    scores = sprintf("\"rows\": %d, \"groups\": %d, \"missing\": %d", rows, groups, missing)
    if (known) scores = scores sprintf(", \"mean\": %.17g", sum / known)
    if (known) scores = scores sprintf(", \"least\": %.17g, \"greatest\": %.17g", least, greatest)
    printf "{\"artifacts\": {%s, %s}}\n", artifact("groups", ENVIRON["GROUPS_URI"], "\"rows\": " groups), \
        artifact("metrics", ENVIRON["METRICS_URI"], scores) > path
    close(path)
}

function artifact(name, uri, metadata) {
    return sprintf("\"%s\": {\"artifacts\": [{\"name\": \"%s\", \"uri\": \"%s\", \"metadata\": {%s}}]}", \
                   name, name, json(uri), metadata)
}

# Ends the step with a message that says what to mend. tabpipe looks for this line in a step's log.
function refuse(problem, value, rule, mend,    message) {
    if (refused) exit 1
    refused = 1
    message = "count: " problem
    if (value != "") message = message "\n  value: " value
    if (rule != "") message = message "\n  rule:  " rule
    if (mend != "") message = message "\n  mend:  " mend
    print "tabpipe-refused: {\"message\": \"" json(message) "\"}"
    exit 1
}

function csv(text) {
    if (text !~ /[",\r\n]/) return text
    gsub(/"/, "\"\"", text)
    return "\"" text "\""
}

function json(text,    i, c, out) {
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "\n") c = "\\n"
        else if (c == "\"" || c == "\\") c = "\\" c
        else if (c < " ") c = " "
        out = out c
    }
    return out
}

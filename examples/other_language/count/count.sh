#!/bin/sh
# The step's interface: arguments in, files out. What is counted is up to count.awk.
set -eu
export LC_ALL=C

while [ $# -ge 2 ]; do
    case $1 in
        --table) table=$2 ;;
        --by) export BY="$2" ;;
        --of) export OF="$2" ;;
        --groups) groups=$2 ;;
        --groups_uri) export GROUPS_URI="$2" ;;
        --metrics_uri) export METRICS_URI="$2" ;;
        --executor_output) output=$2 ;;
        --executor_input) input=$2 ;;
        *) echo "count: unknown argument $1" && exit 2 ;;
    esac
    shift 2
done

# kfp.local fills the placeholder of this path in; the cluster's launcher does not, but tells it in the executor input.
case $output in
    '{{'*) output=$(printf %s "$input" | sed -n 's/.*"outputFile" *: *"\([^"\\]*\)".*/\1/p') ;;
esac
: "${output:?the executor input tells no outputFile}"

# Nobody else makes the folders of outputs for a container component. Outputs appear whole or not at all.
mkdir -p "$(dirname "$groups")" "$(dirname "$output")"
export GROUPS_PART="$groups.part" OUTPUT_PART="$output.part"
trap 'rm -f "$GROUPS_PART" "$OUTPUT_PART"' EXIT
awk -f "$(dirname "$0")/count.awk" < "$table"
mv "$GROUPS_PART" "$groups"
mv "$OUTPUT_PART" "$output"

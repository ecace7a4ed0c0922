package editor

import (
	"strings"

	"sysc/lang/syntax"
)

// asJSON makes what is inserted a text of the JSON syntax: keys in quotes, unless there
// are quotes already.
func asJSON(items []Item, p syntax.Place) []Item {
	key := p.Kind == syntax.InBody || p.Kind == syntax.InKey
	var out []Item
	for _, it := range items {
		switch {
		case it.Kind == "function" || p.Kind == syntax.InExpression:
		case key && p.Quoted:
			it.Insert = plain(it.Label)
		case key && strings.Contains(it.Insert, "{"):
			labels := strings.Count(it.Insert, `"$`)
			it.Insert = `"` + it.Label + `": ` + strings.Repeat("{\"$1\": ", min(labels, 1)) + "{$0}" + strings.Repeat("}", min(labels, 1))
		case key:
			it.Insert = `"` + plain(it.Label) + `": `
		case p.Quoted:
			it.Insert = plain(strings.Trim(it.Label, `"`))
		}
		out = append(out, it)
	}
	return out
}

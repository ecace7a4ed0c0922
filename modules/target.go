package modules

import (
	"slices"
	"strconv"
	"strings"

	"sysc/lang"
	"sysc/lang/diag"
)

// splitKey takes the name of one thing of a for_each apart: m["key"], and as
// shells take the quotes away, m[key] or m.key. blocks are the names that blocks
// have; keyed is false for one of these.
func splitKey(name string, blocks []string) (block, key string, keyed bool) {
	if slices.Contains(blocks, name) {
		return name, "", false
	}
	// Names of blocks may have dots in them: the longest one counts.
	for _, b := range blocks {
		rest, ok := strings.CutPrefix(name, b)
		if !ok || len(b) < len(block) {
			continue
		}
		if k, ok := parseKey(rest); ok {
			block, key, keyed = b, k, true
		}
	}
	if !keyed {
		return name, "", false
	}
	return block, key, true
}

// parseKey reads ["key"], [key] or .key.
func parseKey(text string) (key string, ok bool) {
	if key, ok := strings.CutPrefix(text, "."); ok {
		return key, key != ""
	}
	text, ok = strings.CutPrefix(text, "[")
	if !ok {
		return "", false
	}
	if text, ok = strings.CutSuffix(text, "]"); !ok {
		return "", false
	}
	if strings.HasPrefix(text, `"`) {
		key, err := strconv.Unquote(text)
		return key, err == nil
	}
	return text, true
}

// addresses are the names of what a block makes.
func addresses(block string, keys []string, keyed bool) []string {
	if !keyed {
		return []string{block}
	}
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = block + "[" + strconv.Quote(key) + "]"
	}
	return out
}

// ModulePrefix begins the address of what a module has that the root module uses.
const ModulePrefix = "module."

// moduleOf returns the module that has a derivation, and its name there:
// "module.web.derivation.x" is x of module.web, other names are of the root module.
// The module is nil when there is none.
func (p *Project) moduleOf(name string) (m *lang.Module, rest string, diags diag.List) {
	if !strings.HasPrefix(name, ModulePrefix) {
		return p.module, name, nil
	}
	var known []string
	for _, m := range p.work.modules()[1:] {
		if rest, ok := strings.CutPrefix(name, m.Address()+".derivation."); ok {
			return m, rest, nil
		}
		for _, label := range labels(m.Definition.Derivations) {
			known = append(known, m.Address()+".derivation."+label)
		}
	}
	return nil, "", diag.Errorf(diag.Range{}, "Unknown derivation", "No module has %q.%s", name, diag.DidYouMean(name, known))
}

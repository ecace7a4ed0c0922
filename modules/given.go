package modules

import (
	"encoding/json"

	"sysc/lang/diag"
)

// Given returns the values that the definition's variables have from outside, as
// JSON that lang.ParseJSONVariables reads; those of sensitive variables are left
// out, and their names returned, sorted.
func (p *Project) Given() (values map[string]json.RawMessage, sensitive []string, diags diag.List) {
	given, sensitive, diags := p.module.Given()
	values = map[string]json.RawMessage{}
	for name, v := range given {
		values[name] = encode(v)
	}
	return values, sensitive, diags
}

package funcs

import (
	"strings"

	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

const (
	// maxYAML is in bytes.
	maxYAML = 1 << 20
	// maxYAMLNesting bounds the depth of [ and {, and of lists written as "- - -".
	maxYAMLNesting = 200
	// maxYAMLIndent bounds the depth of what nests by its indentation.
	maxYAMLIndent = 2000
)

// yamlFunctions read and write YAML 1.2 without custom tags.
func yamlFunctions() map[string]function.Function {
	return map[string]function.Function{
		"yamldecode": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "src", Type: cty.String}},
			// The type is that of the value: aliases may make it far larger than the
			// text, so it is not worked out before the value is measured.
			Type: function.StaticReturnType(cty.DynamicPseudoType),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				src := args[0].AsString()
				if err := checkYAML(src); err != nil {
					return cty.DynamicVal, err
				}
				v, err := yaml.Standard.Unmarshal([]byte(src), cty.DynamicPseudoType)
				if err != nil {
					return cty.DynamicVal, function.NewArgError(0, err)
				}
				return v, nil
			},
		}),
		"yamlencode": yaml.YAMLEncodeFunc,
	}
}

// checkYAML refuses what the decoder's recursion might not survive.
func checkYAML(src string) error {
	if len(src) > maxYAML {
		return function.NewArgErrorf(0, "text of %d bytes, at most %d can be decoded", len(src), maxYAML)
	}
	depth := 0
	for line := range strings.Lines(src) {
		rest := strings.TrimLeft(line, " \t")
		head := rest[:len(rest)-len(strings.TrimLeft(rest, " \t-?"))]
		if len(line)-len(rest) > maxYAMLIndent || strings.Count(head, "-")+strings.Count(head, "?") > maxYAMLNesting {
			return function.NewArgErrorf(0, "nested too deeply")
		}
		for i := range len(line) {
			switch line[i] {
			case '[', '{':
				if depth++; depth > maxYAMLNesting {
					return function.NewArgErrorf(0, "nested more than %d levels deep", maxYAMLNesting)
				}
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
	}
	return nil
}

package funcs

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// terraformFunctions are all functions of Terraform 1.14's language.
const terraformFunctions = `abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256 base64sha512 basename bcrypt can ceil chomp
	chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce coalescelist compact concat contains csvdecode dirname distinct element endswith
	ephemeralasnull file filebase64 filebase64sha256 filebase64sha512 fileexists filemd5 fileset filesha1 filesha256 filesha512 flatten floor format
	formatdate formatlist indent index issensitive join jsondecode jsonencode keys length list log lookup lower map matchkeys max md5 merge min
	nonsensitive one parseint pathexpand plantimestamp pow range regex regexall replace reverse rsadecrypt sensitive setintersection setproduct
	setsubtract setunion sha1 sha256 sha512 signum slice sort split startswith strcontains strrev substr sum templatefile templatestring
	textdecodebase64 textencodebase64 timeadd timecmp timestamp title tobool tolist tomap tonumber toset tostring transpose trim trimprefix
	trimspace trimsuffix try type upper urlencode uuid uuidv5 values yamldecode yamlencode zipmap`

// TestTerraform checks that there is an answer to each function of Terraform, and
// what its documentation says of it.
func TestTerraform(t *testing.T) {
	table := Table(Module{Dir: "testdata/module"})
	text, err := os.ReadFile("testdata/terraform.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(terraformFunctions) {
		if _, ok := table[name]; !ok && name != "try" && name != "can" {
			t.Errorf("there is no %s, and nothing is said of it", name)
		}
		if !strings.Contains(string(text), name+"(") {
			t.Errorf("%s is not tested", name)
		}
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		expr, want, ok := strings.Cut(line, " => ")
		if line == "" || strings.HasPrefix(line, "#") || !ok {
			continue
		}
		if i := strings.LastIndex(line, " => "); i >= 0 {
			expr, want = line[:i], line[i+4:]
		}
		got, diags := evaluateText(t, table, expr)
		if message, isError := strings.CutPrefix(want, "error "); isError {
			if !slices.ContainsFunc(diags, func(d *diag.Diagnostic) bool { return strings.Contains(d.Detail, message) }) {
				t.Errorf("%s = %s, %v; want an error that says %q", expr, got, diags.Err(), message)
			}
			continue
		}
		if diags.HasErrors() || got != want {
			t.Errorf("%s = %s, %v; want %s", expr, got, diags.Err(), want)
		}
	}
}

// evaluateText returns the value of an expression as JSON.
func evaluateText(t *testing.T, table map[string]*eval.Function, expr string) (string, diag.List) {
	t.Helper()
	x, diags := syntax.ParseExpression([]byte(expr), "x")
	if diags.HasErrors() {
		t.Fatalf("%s: %v", expr, diags.Err())
	}
	path := cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(".")})
	scope := eval.NewScope(eval.NewRoot(eval.NewSession(), table), eval.Values{"path": path})
	v, diags := eval.Evaluate(x, scope)
	if diags.HasErrors() {
		return "error", diags
	}
	v, _ = v.UnmarkDeep()
	data, err := json.SimpleJSONValue{Value: v}.MarshalJSON()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return string(data), diags
}

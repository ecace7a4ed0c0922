package modules

import (
	"encoding/base64"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
	"sysc/systems"
)

const (
	// secretsModule is the standard module that declares the option secret.
	secretsModule = "secrets"
	// secretsDir is where encrypted files stand in a system.
	secretsDir = "/usr/lib/sysc/secrets/"
)

// ageHeaders are how files begin that age has encrypted, see age-encryption.org/v1:
// as bytes, and as text.
var ageHeaders = []string{"age-encryption.org/v1\n", "-----BEGIN AGE ENCRYPTED FILE-----\n", "-----BEGIN AGE ENCRYPTED FILE-----\r\n"}

// secrets returns the files that secrets are in, encrypted.
func (r *reader) secrets() []systems.File {
	if !r.e.standard[secretsModule] {
		return nil
	}
	var files []systems.File
	for _, n := range r.instances("secret") {
		text := r.text(n, "file")
		if text == "" {
			continue
		}
		source := text
		if !strings.HasPrefix(text, storePrefix) {
			if source = r.encrypted(r.option(n, "file"), text); source == "" {
				continue
			}
		}
		const mode = 0o400
		files = append(files, systems.File{
			Path: secretsDir + n.Key() + ".age", Source: source, Mode: mode, User: "root", Group: "root", Position: position(n.Range()),
		})
	}
	return files
}

// encrypted returns the store path of a file of the module that names it, "" with a
// message when it is none that age has encrypted: what is not must not get into the
// store.
func (r *reader) encrypted(n *option.Node, name string) string {
	scope := r.scopeOf(n)
	if scope == nil {
		return ""
	}
	call := func(function string) string {
		expr, diags := syntax.ParseExpression([]byte(function+"(name)"), "")
		if diags.HasErrors() {
			panic("modules.encrypted: " + diags.Err().Error()) // it is written above
		}
		v, diags := eval.Evaluate(expr, eval.NewScope(scope, eval.Values{"name": cty.StringVal(name)}))
		if diags.HasErrors() {
			for _, d := range diags {
				r.errorf(n, d.Summary, "%s", d.Detail)
			}
			return ""
		}
		plain, _ := eval.Plain(v)
		return plain.AsString()
	}
	data, err := base64.StdEncoding.DecodeString(call("filebase64"))
	if err != nil || len(data) == 0 && len(r.diags) > 0 {
		return ""
	}
	for _, header := range ageHeaders {
		if strings.HasPrefix(string(data), header) {
			return call("source")
		}
	}
	r.errorf(n, "Secret that is not encrypted",
		"%q is no file that age has encrypted, and what is in a system can be read by everybody. Encrypt it for the machine, and take the plain one out of the directory and its history:\n\n  age --encrypt -R ssh_host_ed25519_key.pub -o %[1]s.age %[1]s", name)
	return ""
}

// scopeOf returns the scope of the module that defines an option.
func (r *reader) scopeOf(n *option.Node) *eval.Scope {
	for _, d := range n.Definitions() {
		if d.Status != option.StatusUsed {
			continue
		}
		for _, t := range r.e.texts {
			if t.name == d.Module {
				return t.scope
			}
		}
	}
	return nil
}

package funcs

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

// markFunctions put the mark of what must not reach the store on and off.
func markFunctions() map[string]*eval.Function {
	return map[string]*eval.Function{
		"sensitive": {Params: []string{"value"}, Native: func(c eval.Call) (cty.Value, diag.List) {
			return c.Args[0].Value.Mark(eval.Sensitive), nil
		}},
		"nonsensitive": {Params: []string{"value"}, Native: func(c eval.Call) (cty.Value, diag.List) {
			v, marks := c.Args[0].Value.Unmark()
			delete(marks, eval.Sensitive)
			return v.WithMarks(marks), nil
		}},
		"issensitive": {Params: []string{"value"}, Native: func(c eval.Call) (cty.Value, diag.List) {
			return cty.BoolVal(c.Args[0].Value.HasMark(eval.Sensitive)), nil
		}},
	}
}

const wrapperReason = "%s(…) says how a definition of an option is merged with others. It may stand at the head of a definition in a config or system block, or at the head of a value in a map there, as in\n\n  option_name = %s\n\nand nowhere else."

// refusedFunctions are names that somebody may well try.
func refusedFunctions() map[string]*eval.Function {
	t := map[string]*eval.Function{}
	refuse := func(reason string, names ...string) {
		for _, name := range names {
			t[name] = &eval.Function{Refused: reason}
		}
	}
	for name, example := range map[string]string{
		"default": "default(value)", "force": "force(value)", "priority": "priority(90, value)",
		"before": "before(list)", "after": "after(list)", "order": "order(1200, list)",
		"remove": "remove([…])",
	} {
		refuse(fmt.Sprintf(wrapperReason, name, example), name)
	}
	refuse("A definition gives the same result at any time, so there is no clock in it. Give the time as a variable.", "timestamp", "plantimestamp")
	refuse("A definition gives the same result each time, so there is nothing random in it. Give the value as a variable.", "uuid", "bcrypt", "random")
	refuse("A definition sees no files outside of its module, and no absolute path of this machine. Use path.module, file() or source().", "abspath", "pathexpand")
	refuse("A definition keeps no private keys, and what it decrypted could be read in the store by everybody. Encrypt a file for the machine instead, with a secret block.", "rsadecrypt")
	refuse("There are no ephemeral values here. What must not reach the store is marked by sensitive(), or stands in a secret block.", "ephemeralasnull")
	refuse("A list is written [a, b, c]; tolist() makes a list of something else.", "list")
	refuse("A map is written { key = value }; tomap() makes a map of something else.", "map")
	refuse("What the type of a value is cannot decide anything in a definition. sysc console shows types.", "type")
	refuse("A definition reads no environment variables. Declare a variable; it can be set by SYSC_VAR_name.", "env", "getenv")
	return t
}

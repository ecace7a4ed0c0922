package editor

import "sysc/lang/syntax"

// A word is what the language itself says of a type of block.
type word struct {
	doc    string
	labels []string
	// top is set for what stands at the top of a file.
	top bool
	// args are the arguments, each with a sentence.
	args map[string]string
	// blocks are the types of blocks that may stand in it.
	blocks []string
}

// vocabulary are the types of blocks.
var vocabulary = map[string]word{
	"sysc": {top: true, doc: "Settings of the definition.", args: map[string]string{
		"required_version": "The versions of sysc that the definition works with, as in `\"~> 0.3\"`.",
		"caches":           "Where results are taken from that need not be built then, as in `[\"https://cache.example.org/sysc\"]`.",
		"trusted_keys":     "The keys whose word counts for what caches have: what `sysc store generate-key` prints.",
	}},
	"input": {top: true, labels: []string{"name"}, doc: "Something outside that `sysc.lock` pins, as a package archive.", args: map[string]string{
		"type":       "What kind of thing it is: `\"debian\"`, `\"oci\"`, `\"git\"`, `\"archive\"` or `\"file\"`.",
		"image":      "The name of an image, as in `\"docker.io/library/alpine:3.20\"`.",
		"tag":        "The tag of an image.",
		"ref":        "A branch, a tag or a commit of a repository.",
		"version":    "Which versions among tags will do, as in `\"~> 1.2\"`.",
		"submodules": "Whether the submodules of a repository are fetched, too.",
		"executable": "Whether a file is executable.",
		"url":        "Where it is; without it the usual place.",
		"suites":     "The suites of an archive, as in `[\"trixie\"]`.",
		"components": "The components of an archive; `main` without it.",
		"security":   "Whether the security archive belongs to it.",
		"keyring":    "A file with the keys that sign it, in place of the distribution's own.",
	}},
	"variable": {top: true, labels: []string{"name"}, doc: "A value that comes from outside: `var.NAME`.", blocks: []string{"validation"}, args: map[string]string{
		"type":        "The type that a value must have.",
		"default":     "The value when none is given.",
		"description": "What it is for.",
		"sensitive":   "Whether the value must not be shown or stored.",
		"nullable":    "Whether null is a value.",
		"deprecated":  "Why nobody should set it any more.",
	}},
	"validation": {doc: "A condition that a variable's value has to meet.", args: map[string]string{
		"condition":     "What has to be true.",
		"error_message": "What to say when it is not.",
	}},
	"locals": {top: true, doc: "Values with a name: `local.NAME`."},
	"output": {top: true, labels: []string{"name"}, doc: "A value that those who use the module can read.", args: map[string]string{
		"value":       "The value.",
		"description": "What it is.",
		"sensitive":   "Whether the value must not be shown.",
	}},
	"function": {top: true, labels: []string{"name"}, doc: "A function for expressions.", args: map[string]string{
		"params":         "The names of the parameters, as in `[a, b]`.",
		"variadic_param": "The name for all further arguments.",
		"result":         "The value that a call has.",
	}},
	"module": {top: true, labels: []string{"name"}, doc: "Use of another module. Its variables are set by arguments.", args: map[string]string{
		"source":   "Where the module is: `\"./dir\"`, or a git repository.",
		"version":  "Which versions will do, as in `\"~> 1.2\"`.",
		"separate": "Whether another version than that of the other uses may be taken.",
		"import":   "Whether options and config are taken over, or outputs only.",
		"for_each": "Makes one module of each element.",
	}},
	"derivation": {top: true, labels: []string{"name"}, doc: "A build step: `derivation.NAME.out` is the path of what it makes.", blocks: []string{"assert"}, args: map[string]string{
		"version":               "The version, part of the result's name.",
		"source":                "What `$src` is: a path in the store.",
		"packages":              "The packages that the build sees.",
		"base":                  "The input that packages are from.",
		"script":                "A shell script that makes `$out`.",
		"builder":               "A program to be run in place of a script.",
		"args":                  "The arguments of the builder.",
		"env":                   "Environment variables.",
		"structured":            "Data for the build, as a JSON file.",
		"outputs":               "The names of the results; `[\"out\"]` without it.",
		"output_hash":           "The hash of the result, when it is known beforehand.",
		"output_hash_mode":      "What the hash is of.",
		"network":               "Whether the build may use the network; only with output_hash.",
		"platform":              "What it runs on, as `\"linux/amd64\"`; that of this machine without it.",
		"for_each":              "Makes one derivation of each element.",
		"allowed_references":    "The only objects that results may refer to.",
		"allowed_requisites":    "The only objects that may be in the closure.",
		"disallowed_references": "Objects that results must not refer to.",
		"disallowed_requisites": "Objects that must not be in the closure.",
		"max_size":              "How large a result may be.",
		"max_closure_size":      "How large its closure may be.",
		"timeout":               "How long a build may take.",
		"max_silence":           "How long a build may write nothing.",
		"max_log":               "How much a build may write.",
		"memory":                "How much memory a build may need.",
	}},
	"environment": {top: true, labels: []string{"name"}, doc: "A root made of packages, with variables.", args: map[string]string{
		"packages": "What is in it.",
		"base":     "The input that packages are from.",
		"env":      "Environment variables.",
		"for_each": "Makes one environment of each element.",
	}},
	"option": {top: true, labels: []string{"path"}, doc: "Declares an option of systems that use this module.", blocks: []string{"option", "assert"}, args: map[string]string{
		"type":         "The type of its values.",
		"default":      "The value without a definition.",
		"description":  "What it is for.",
		"labels":       "The names of the labels: the option is a block of which there may be many.",
		"freeform":     "The type of keys that are not declared.",
		"example":      "A value to show in the documentation.",
		"default_text": "What the documentation shows in place of a computed default.",
		"deprecated":   "Why it should not be used any more.",
		"renamed_to":   "The option that has taken its place.",
		"removed":      "Why it is gone, and what to do.",
		"internal":     "Whether it is left out of the documentation.",
		"read_only":    "Whether only the module that declares it may define it.",
		"sensitive":    "Whether its value must not be shown or stored.",
	}},
	"config": {top: true, doc: "Defines options of systems that use this module.", args: map[string]string{
		"when": "The condition under which it counts.",
	}},
	"assert": {top: true, doc: "Something that has to be true.", args: map[string]string{
		"condition":     "What has to be true.",
		"error_message": "What to say when it is not.",
		"severity":      "`\"error\"` or `\"warning\"`.",
	}},
	"system": {top: true, labels: []string{"name"}, doc: "A system: where its packages are from, and definitions of options.", args: map[string]string{
		"platform": "What it runs on, as `\"linux/amd64\"`; that of this machine without it.",
		"base":     "The input that packages are from.",
		"modules":  "The modules that it uses.",
		"for_each": "Makes one system of each element.",
	}},
	"home": {top: true, labels: []string{"name"}, doc: "The environment of one user: files, units and variables in the home directory.", args: map[string]string{
		"platform": "What it is for, as `\"linux/amd64\"`; that of this machine without it.",
		"modules":  "The modules that it uses.",
		"for_each": "Makes one home of each element.",
	}},
	"test": {top: true, labels: []string{"name"}, doc: "A test that `sysc test` runs.", blocks: []string{"variables", "assert", "build"}, args: map[string]string{
		"system":          "The name of the system that `config` is about; the only one without it.",
		"expect_failures": "What must be wrong, as in `[var.port]`.",
	}},
	"variables": {doc: "Values of variables in a test."},
	"build": {labels: []string{"name"}, doc: "Something that a test has built: `build.NAME[\"PATH\"]`.", args: map[string]string{
		"target": "An output of a derivation, as `derivation.hello.out`.",
	}},
}

// types are the words that types are written with.
var types = map[string]string{
	"bool": "true or false", "string": "a text", "number": "a number", "integer": "a whole number", "port": "a number from 1 to 65535",
	"path": "an absolute, clean path", "lines": "a text of lines, joined from all definitions", "package": "a package or a derivation",
	"list": "`list(T)`", "set": "`set(T)`", "map": "`map(T)`", "object": "`object({ name = T })`", "tuple": "`tuple([T, …])`",
	"optional": "`optional(T, default)`, in an object", "any": "whatever it is", "enum": "`enum(\"a\", \"b\")`", "pattern": "`pattern(\"re\")`: a text that matches as a whole",
	"between": "`between(a, b)`: a number, both ends included", "either": "`either(A, B)`", "nullable": "`nullable(T)`: T or null", "secret": "the path of a secret",
}

// rootWords are the first words of names in expressions.
var rootWords = map[string]string{
	"var": "variables", "local": "local values", "input": "inputs", "pkg": "packages of inputs", "derivation": "build steps",
	"environment": "environments", "module": "modules and their outputs", "path": "`path.module` and `path.root`",
	"each": "the element that for_each is at: `each.key`, `each.value`",
}

// optionWords are those that texts about options have beside them.
var optionWords = map[string]string{
	"config": "final values of options", "option": "what is known of options: `is_defined`, `type`", "system": "`system.name` and `system.platform`", "home": "`home.name` and `home.platform`, in homes",
	"self": "the instance of a labelled option that this is in", "parent": "the instance around self",
}

// placed reports whether a place is where options are defined or declared.
func placed(p syntax.Place) bool {
	if len(p.Blocks) == 0 {
		return false
	}
	top := p.Blocks[0].Type
	return definesOptions(top) || top == "option" || top == "assert"
}

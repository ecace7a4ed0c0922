// Package lang is the definition language: HCL text in, values and derivations
// out.
//
// # The language in a page
//
// A module is a directory; every file in it whose name ends in .sysc.hcl belongs
// to it, in any order. A file consists of blocks:
//
//	sysc { required_version = "~> 0.3" }      # checked before anything else
//
//	input "debian" {                          # something pinned in sysc.lock
//	  type   = "debian"
//	  suites = ["trixie"]
//	}
//
//	variable "greeting" {                     # set by SYSC_VAR_greeting, --var, --var-file
//	  type    = string
//	  default = "hello"
//	}
//
//	locals {                                  # names for expressions
//	  text = "${var.greeting}, world\n"
//	}
//
//	derivation "hello" {                      # a build step
//	  version  = "2.12.1"
//	  source   = fetchtarball("https://example.org/hello.tar.gz", "sha256:…")
//	  packages = ["gcc", "make"]              # of base, the only input by default
//	  script   = <<-EOT
//	    tar … && ./configure --prefix="$out" && make install
//	  EOT
//	}
//
//	module "web" {                            # another directory's blocks
//	  source = "./modules/web"
//	  port   = 8080                           # a value for each of its variables
//	}
//
//	derivation "page" {                       # one for each key
//	  for_each = { en = "hello", de = "hallo" }
//	  source   = textfile("page", "${shout(each.value)}\n")
//	  script   = "cp \"$src\" \"$out\""
//	}
//
//	function "shout" {                        # pure, and not recursive
//	  params = [text]
//	  result = "${upper(text)}!"
//	}
//
//	environment "dev" {                       # to be entered, or for lists of packages
//	  packages = ["gcc", "make"]
//	  env      = { CC = "gcc" }
//	}
//
//	assert {                                  # has to hold, for each system that it names
//	  condition     = length(var.greeting) > 0
//	  error_message = "Say something."
//	}
//
//	output "page" {                           # what others may read
//	  value = derivation.page["en"].out
//	}
//
//	option "…" { }   config { }   system "…" { }   # handed on to package modules
//
// A dynamic block ([ParseDynamic]) stands for a block for each element of a
// collection; in config and system blocks it is expanded when its option is read.
//
// Expressions are HCL's, with Terraform's functions. Names: var.x, local.x,
// input.x, pkg.INPUT.NAME, derivation.x.out (any output, .name, .version),
// derivation.x["key"].out, environment.x.out (.name, .env), module.x.OUTPUT,
// module.x["key"].OUTPUT, each.key, each.value, path.module, path.root. The result
// of a function knows its parameters alone. A name means what it does in the module where it stands. Paths
// of files begin at that module's directory, so path.module is always ".".
//
// What is fetched is known by its hash: fetchurl(URL, HASH), fetchtarball(URL,
// HASH), and fetchgit({url, commit, hash, ref, submodules}), whose hash is that of
// a tree.
//
// Where it differs from Terraform:
//
//   - Everything is evaluated when it is needed, once, in the order of need. The
//     side of a conditional, && or || that cannot matter is not looked at, and so
//     the two results of a conditional may have different types. Names that need
//     one another are one error that lists them all.
//   - There are no unknown values. What is not known before a build is the path of
//     an output: a string that can be put into other strings, lists and objects.
//     Functions and operators that would look at its characters refuse it.
//   - A key that stands twice in an object is an error. {a = 1, "a" = 2}
//   - null in place of an optional argument means that it is not set.
//   - No clock, no random, no environment, no file outside of the module.
//   - Texts are limited (8 MiB, 200 levels of nesting) and so is evaluation; a
//     definition that exceeds a limit gets an error and never a crash.
//
// # In Go
//
// [Load] reads a module into a [Definition]: blocks sorted by kind, their shape
// checked, nothing evaluated. [Evaluate] turns it into a [Module], whose values,
// inputs, outputs and derivations are computed when they are asked for, one at a
// time also with for_each; derivations go
// into a derivations.Graph. What needs packages is asked of a [Host]. Package
// modules uses [Module.Scope] to evaluate what option, config and system blocks
// say.
//
// Problems are returned as diag.List. Nothing here builds, writes, or reaches the
// network.
package lang

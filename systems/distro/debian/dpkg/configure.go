package dpkg

import _ "embed" // the script

// ConfigureScript is a program for /bin/sh in a root that [Compose] made, run as
// the (pretended) superuser without network: it runs the preinst scripts, moves
// diverted files into place, has dpkg configure all packages, and then takes
// away or blanks what differs from run to run.
//
//go:embed configure.sh
var ConfigureScript string

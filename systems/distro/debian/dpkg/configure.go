package dpkg

import _ "embed" // the script

// ConfigureScript is a program for /bin/sh in a root that [Compose] made, run as
// the (pretended) superuser without network: it runs the preinst scripts, moves
// diverted files into place, has dpkg configure all packages, and then takes
// away or blanks what differs from run to run. The initrd is made at the end, unless
// INITRD=No is in the environment.
//
// With arguments it runs in a root that it has configured before: dpkg itself
// unpacks further packages there, so that diversions, triggers and files that
// packages replace are its business, and configures them.
//
//go:embed configure.sh
var ConfigureScript string

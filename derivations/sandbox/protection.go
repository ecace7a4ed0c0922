package sandbox

// A protection is one of the walls around a builder. Tests take them away one
// at a time (Spec.without), to see that each of their attacks succeeds where
// the wall is missing, and so that it is that wall which they try. Nothing
// outside this package can.
type protection uint

const (
	ownNetwork      protection = 1 << iota // network namespace
	ownIPC                                 // ipc namespace
	readOnlyMounts                         // of the root and of the inputs
	readOnlyProc                           // and its hidden files
	hiddenInit                             // process 1 cannot be looked into
	fewCapabilities                        // and no way to get more
	callFilter                             // seccomp
	landlockRules
	nobodyBehind // root's builders have no rights on the host
)

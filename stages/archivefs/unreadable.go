package archivefs

// UnreadableRecord names the PAX record of a tar's entry that stands for a file which could not be read when the tar was
// packed. Its value is the reason.
const UnreadableRecord = "TLPIPE.unreadable"

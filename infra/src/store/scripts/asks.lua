-- What stands in an answer's place while it is asked for: this, and who asks. No answer begins so.
local ASKS = '\0'


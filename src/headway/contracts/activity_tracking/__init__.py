"""The activity tracking contract: `/api/courses/activity/{track,heartbeat,batch}`."""

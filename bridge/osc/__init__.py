"""OSC: the same jobs for people who think in patches. ADDRESSES is the one table of what is understood and what is sent."""

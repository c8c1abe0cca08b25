"""The lab's certification authority: keys, certificates and revocation lists, made once, renewed when due."""

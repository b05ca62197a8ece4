"""The bundled model `photo`: a tower pretrained on photographs, taught to speak about them."""

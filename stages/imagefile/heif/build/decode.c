// What Go calls. A module serves one file: everything is left to its end.
#include <stddef.h>
#include <stdint.h>
#include "libheif/heif.h"

#define EXPORT(name) __attribute__((export_name(#name)))

static struct heif_context *context;
static struct heif_image_handle *handle;
static struct heif_image *image;
static struct heif_error error = {heif_error_Ok, heif_suberror_Unspecified, ""};

// inspect reads the header; 0 is success, after which the size as shown can be asked for.
EXPORT(inspect) int inspect(const uint8_t *data, size_t size, uint64_t most_pixels) {
    heif_init(NULL);
    context = heif_context_alloc();
    struct heif_security_limits *limits = heif_context_get_security_limits(context);
    limits->max_image_size_pixels = most_pixels;
    error = heif_context_read_from_memory_without_copy(context, data, size, NULL);
    if (error.code == heif_error_Ok) {
        error = heif_context_get_primary_image_handle(context, &handle);
    }
    return error.code;
}

EXPORT(width) int width(void) { return heif_image_handle_get_width(handle); }
EXPORT(height) int height(void) { return heif_image_handle_get_height(handle); }
EXPORT(has_alpha) int has_alpha(void) { return heif_image_handle_has_alpha_channel(handle); }
EXPORT(is_premultiplied) int is_premultiplied(void) { return heif_image_handle_is_premultiplied_alpha(handle); }

// decode makes RGB or, with alpha, RGBA, turned and cropped as the file says; 0 is success.
EXPORT(decode) int decode(int bilinear) {
    struct heif_decoding_options *options = heif_decoding_options_alloc();
    options->convert_hdr_to_8bit = 1;
    if (bilinear) {
        options->color_conversion_options.preferred_chroma_upsampling_algorithm = heif_chroma_upsampling_bilinear;
        options->color_conversion_options.only_use_preferred_chroma_algorithm = 1;
    }
    enum heif_chroma chroma = has_alpha() ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB;
    error = heif_decode_image(handle, &image, heif_colorspace_RGB, chroma, options);
    return error.code;
}

static int row_bytes;
EXPORT(pixels) const uint8_t *pixels(void) { return heif_image_get_plane_readonly(image, heif_channel_interleaved, &row_bytes); }
EXPORT(stride) int stride(void) { return row_bytes; }
EXPORT(decoded_width) int decoded_width(void) { return heif_image_get_primary_width(image); }
EXPORT(decoded_height) int decoded_height(void) { return heif_image_get_primary_height(image); }
EXPORT(message) const char *message(void) { return error.message; }

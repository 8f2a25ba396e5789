/* echo_tones: the Python side. */

#include "binding.h"
#include "echo_tones.h"

enum { PLACES, STRENGTH, SCATTERER, LEG, WEIGHT, SOURCE, MICS, SCALE, OFFSET, RESPONSE, OUT, BUFFERS };

static const char echo_tones_doc[] =
    "EchoTones(*, mics, segment_samples, nearest_m)\n--\n\n"
    "A steady tone by way of moving points, as complex baseband: what EchoPaths and PhasorSum give together.\n\n"
    "Args:\n"
    "    mics: 1 to 8.\n"
    "    segment_samples: samples from one point to the next, 1 to 512.\n"
    "    nearest_m: the product of both distances is taken for at least this squared, above 0, to 10.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char echo_tones_process_into_doc[] =
    "process_into($self, /, places_m, strength, scatterer, leg, weight, source_m, mics_m, scale, offset,\n"
    "             absorption_per_m, carrier_hz, points_hz, response, step_hz, out)\n--\n\n"
    "Add the sum to `out` complex64 [mics, segments * segment_samples].\n\n"
    "`places_m` float64 [points, scatterers, 3] and `strength` float32 [points, scatterers] stand at `points_hz`\n"
    "equally spaced instants a second, segments + 1 + 2 * ECHO_MARGIN of them; the first sample stands at point\n"
    "ECHO_MARGIN. A path is an echo of scatterer `scatterer` int32 [paths] times `weight` float32 [paths], by leg\n"
    "`leg` int32 [paths]: from `source_m` float64 [legs, 3] to `mics_m` float64 [legs, mics, 3]; `scale` float64\n"
    "[points, legs, mics] and `offset` float64 [points, mics] make a delay of its length. Microphones of a leg are\n"
    "a few decimetres apart at most. `absorption_per_m` of the pressure is in nepers. `response` float32 [mics, steps] is a\n"
    "gain for Doppler shifts `step_hz` apart, 0 in the middle; what shifts beyond is not heard and costs little.\n"
    "All C-contiguous.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: a shape, memory layout, scatterer, leg or rate is out of range.";

static void echo_tones_destroy(void *core)
{
    pp_echo_tones_destroy(core);
}

static PyObject *echo_tones_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mics", "segment_samples", "nearest_m", NULL};
    pp_echo_tones_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iid:EchoTones", names, &spec.mics, &spec.segment_samples,
                                     &spec.nearest_m)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_echo_tones_create(&spec, reason), echo_tones_destroy, reason);
}

static void echo_tones_dealloc(PyObject *self)
{
    pp_unwrap(self, echo_tones_destroy);
}

/* All or none. */
static bool take_tones(pp_echo_tones *core, PyObject *const objects[BUFFERS], Py_buffer views[BUFFERS])
{
    const Py_ssize_t mics = (Py_ssize_t)pp_echo_tones_mics(core);
    const Py_ssize_t samples = (Py_ssize_t)pp_echo_tones_segment_samples(core);
    const pp_buffer_wish wishes[OUT] = {
        [PLACES] = {"places_m", "float64", "d", 8, 8, 3, {PP_ANY, PP_ANY, 3}, false},
        [STRENGTH] = {"strength", "float32", "f", 4, 4, 2, {PP_AS(PLACES, 0), PP_AS(PLACES, 1)}, false},
        [SCATTERER] = {"scatterer", "int32", "i", 4, 4, 1, {PP_ANY}, false},
        [LEG] = {"leg", "int32", "i", 4, 4, 1, {PP_AS(SCATTERER, 0)}, false},
        [WEIGHT] = {"weight", "float32", "f", 4, 4, 1, {PP_AS(SCATTERER, 0)}, false},
        [SOURCE] = {"source_m", "float64", "d", 8, 8, 2, {PP_ANY, 3}, false},
        [MICS] = {"mics_m", "float64", "d", 8, 8, 3, {PP_AS(SOURCE, 0), mics, 3}, false},
        [SCALE] = {"scale", "float64", "d", 8, 8, 3, {PP_AS(PLACES, 0), PP_AS(SOURCE, 0), mics}, false},
        [OFFSET] = {"offset", "float64", "d", 8, 8, 2, {PP_AS(PLACES, 0), mics}, false},
        [RESPONSE] = {"response", "float32", "f", 4, 4, 2, {mics, PP_ANY}, false},
    };
    if (!pp_take_all(objects, wishes, OUT, views)) {
        return false;
    }
    const Py_ssize_t points = views[PLACES].shape[0], segments = points - 1 - 2 * PP_ECHO_MARGIN;
    const pp_buffer_wish out = {"out", "complex64", "Zf", 8, 4, 2, {mics, segments * samples}, true};
    if (segments < 1) {
        PyErr_Format(PyExc_ValueError, "places_m: wanted at least %d points, got %zd", 2 + 2 * PP_ECHO_MARGIN, points);
    } else if (pp_take(objects[OUT], &out, &views[OUT])) {
        return true;
    }
    pp_release_all(views, OUT);
    return false;
}

static bool check_indices(const char *name, const int32_t *indices, size_t paths, size_t count)
{
    for (size_t p = 0; p < paths; p++) {
        if (indices[p] < 0 || (size_t)indices[p] >= count) {
            PyErr_Format(PyExc_ValueError, "%s: wanted 0 to %zd, got %d", name, (Py_ssize_t)count - 1, (int)indices[p]);
            return false;
        }
    }
    return true;
}

static bool check_values(const pp_echoes *echoes, const pp_echo_carrier *carrier)
{
    if (!check_indices("scatterer", echoes->scatterer, echoes->paths, echoes->scatterers) ||
        !check_indices("leg", echoes->leg, echoes->paths, echoes->legs)) {
        return false;
    }
    if (carrier->steps < 2 || carrier->steps > PP_MAX_ECHO_STEPS) {
        PyErr_Format(PyExc_ValueError, "response: wanted 2 to %d steps, got %zd", PP_MAX_ECHO_STEPS,
                     (Py_ssize_t)carrier->steps);
        return false;
    }
    if (!(carrier->points_hz > 0 && carrier->step_hz > 0)) {
        PyErr_SetString(PyExc_ValueError, "points_hz, step_hz: wanted above 0");
        return false;
    }
    return true;
}

static PyObject *echo_tones_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"places_m", "strength", "scatterer", "leg", "weight", "source_m", "mics_m", "scale",
                            "offset", "absorption_per_m", "carrier_hz", "points_hz", "response", "step_hz", "out", NULL};
    PyObject *objects[BUFFERS] = {NULL};
    pp_echoes echoes = {0};
    pp_echo_carrier carrier = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOOOOOdddOdO:process_into", names, &objects[PLACES],
                                     &objects[STRENGTH], &objects[SCATTERER], &objects[LEG], &objects[WEIGHT],
                                     &objects[SOURCE], &objects[MICS], &objects[SCALE], &objects[OFFSET],
                                     &echoes.absorption_per_m, &carrier.carrier_hz, &carrier.points_hz, &objects[RESPONSE], &carrier.step_hz,
                                     &objects[OUT]) ||
        !pp_enter(self)) {
        return NULL;
    }
    pp_echo_tones *const core = pp_core(self);
    Py_buffer views[BUFFERS] = {0};
    bool accepted = take_tones(core, objects, views);
    if (accepted) {
        echoes.places_m = views[PLACES].buf;
        echoes.strength = views[STRENGTH].buf;
        echoes.scatterer = views[SCATTERER].buf;
        echoes.leg = views[LEG].buf;
        echoes.weight = views[WEIGHT].buf;
        echoes.source_m = views[SOURCE].buf;
        echoes.mics_m = views[MICS].buf;
        echoes.scale = views[SCALE].buf;
        echoes.offset = views[OFFSET].buf;
        echoes.points = (size_t)views[PLACES].shape[0];
        echoes.scatterers = (size_t)views[PLACES].shape[1];
        echoes.legs = (size_t)views[SOURCE].shape[0];
        echoes.paths = (size_t)views[SCATTERER].shape[0];
        carrier.response = views[RESPONSE].buf;
        carrier.steps = (size_t)views[RESPONSE].shape[1];
        accepted = check_values(&echoes, &carrier);
        if (accepted) {
            Py_BEGIN_ALLOW_THREADS
            pp_echo_tones_execute(core, &echoes, &carrier, views[OUT].buf);
            Py_END_ALLOW_THREADS
        }
        pp_release_all(views, BUFFERS);
    }
    pp_leave(self);
    if (!accepted) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef echo_tones_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))echo_tones_process_into, METH_VARARGS | METH_KEYWORDS,
     echo_tones_process_into_doc},
    {0},
};

static PyType_Slot echo_tones_slots[] = {
    {Py_tp_new, echo_tones_new},         {Py_tp_dealloc, echo_tones_dealloc},
    {Py_tp_methods, echo_tones_methods}, {Py_tp_doc, (void *)echo_tones_doc},
    {0, NULL},
};

PyType_Spec pp_echo_tones_type = {
    .name = "appliance.dsp._core.EchoTones",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = echo_tones_slots,
};
